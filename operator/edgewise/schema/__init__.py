"""From the kinds (pydantic) to what Kubernetes stores them by: structural schemas, CRD files, reference pages."""
