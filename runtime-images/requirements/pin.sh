#!/bin/sh
# Renews the pinned requirements of every image from pyproject.toml. Needs `uv` (pip install uv); run it in the repository root.
set -eu
folder=runtime-images/requirements

pin() { # output, Python, more arguments
    output=$1 python=$2
    shift 2
    uv pip compile --quiet --upgrade --universal --no-header --no-annotate --python-version "$python" pyproject.toml "$@" -o "$output"
}

pin operator/requirements.txt 3.11 --extra operator
pin $folder/cpu.txt 3.11 --extra runtime

pin $folder/coral.txt 3.11 --extra runtime --extra litert

# openvino-telemetry is for its converter, and reports each import of openvino to Google Analytics; nothing needs it.
pin $folder/openvino.txt 3.11 --extra runtime --extra openvino --no-emit-package openvino-telemetry

# JetPack 6 has Python 3.10, and its onnxruntime-gpu comes from NVIDIA's own index: see jetson/Containerfile.
pin $folder/jetson.txt 3.10 --extra runtime --no-emit-package onnxruntime
