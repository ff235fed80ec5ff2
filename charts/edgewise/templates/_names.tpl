{{/* What everything is called: the release's name, with the chart's unless it is already part of it. */}}
{{- define "edgewise.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 45 | trimSuffix "-" -}}
{{- end }}

{{- define "edgewise.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "edgewise.labels" -}}
{{ include "edgewise.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The Lease of the one operator that acts; the operator keeps its certificate authority in a Secret `<lease>-tls`. */}}
{{- define "edgewise.lease" -}}
{{ include "edgewise.name" . }}-operator
{{- end }}

{{- define "edgewise.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "edgewise.name" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "edgewise.image" -}}
{{- $image := .Values.image -}}
{{- $repository := default (printf "%s/edgewise-operator" .Values.registry) $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{/* Runtime images by flavour, as the operator reads them: those the values name, and what the others get. */}}
{{- define "edgewise.chosenImages" -}}
{{- $images := list -}}
{{- range $flavour, $image := .Values.runtimeImages -}}
{{- if $image }}{{ $images = append $images (printf "%s=%s" $flavour $image) }}{{ end -}}
{{- end -}}
{{ join "," $images }}
{{- end }}

{{- define "edgewise.defaultImages" -}}
{{- $images := list -}}
{{- range $flavour := keys (omit .Values.runtimeImages "coral") | sortAlpha -}}
{{- $images = append $images (printf "%s=%s/edgewise-runtime-%s:%s" $flavour $.Values.registry $flavour $.Chart.AppVersion) -}}
{{- end -}}
{{ join "," $images }}
{{- end }}
