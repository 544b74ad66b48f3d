"""Published weights -> a bundle, once.  The only package of ours that imports torch and onnx."""
