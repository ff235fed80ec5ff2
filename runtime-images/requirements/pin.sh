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

# These builds of ONNX Runtime are the same module under another name, so they take the place of onnxruntime.
echo "onnxruntime-openvino==1.24.1" | pin $folder/openvino.txt 3.11 --extra runtime --no-emit-package onnxruntime -
echo "ai-edge-litert==1.4.0" | pin $folder/coral.txt 3.11 --extra runtime -

# JetPack 6 has Python 3.10, and its onnxruntime-gpu comes from NVIDIA's own index: see jetson/Containerfile.
pin $folder/jetson.txt 3.10 --extra runtime --no-emit-package onnxruntime
