"""TensorRT: plans built, kept safely, and run on the GPU."""
