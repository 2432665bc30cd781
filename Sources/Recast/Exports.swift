// Who uses the library uses its tensors.
@_exported import RecastTensors
