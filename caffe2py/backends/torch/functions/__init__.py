"""Operations that torch has no single call for. The emitter copies the text of those a net needs into its output.

Each function stands on its own: it uses torch, F (torch.nn.functional), nn, Tensor and other functions of this
folder, nothing else. Names are distinct over all files.
"""
