"""Pictures -> logs, on the engines.  Imports no torch, tensorrt, onnxruntime or onnx."""

import os

# OpenCV reads this once, when cv2 is first imported; every module of this package that imports cv2 comes
# after this line (a process that imported cv2 before keeps the limit it had).  It is Pillow's limit too: a
# 389 KB PNG can otherwise claim 2.3 GB.
MAX_PIXELS = 178_956_970
MAX_PIXELS_VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"
os.environ.setdefault(MAX_PIXELS_VARIABLE, str(MAX_PIXELS))
# What cv2 would print of a damaged picture stands in errors.tsv, with the picture's name.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
