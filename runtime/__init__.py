"""Pictures -> logs, on the engines.  Imports no torch, tensorrt, onnxruntime or onnx."""

import os

# OpenCV reads this once, when cv2 is first imported; every module of this package that imports cv2 comes
# after this line (a process that imported cv2 before keeps the limit it had).  178 956 970 pixels is Pillow's
# limit too: a 389 KB PNG can otherwise claim 2.3 GB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "178956970")
# What cv2 would print of a damaged picture stands in errors.tsv, with the picture's name.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
