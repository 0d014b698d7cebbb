public struct AttentionPicture {
  public struct Panel { public init(sourceLabels: [String], outputLabels: [String], weights: [[Double]]) {} }
  public init(title: String, panels: [Panel]) {}
  public func write(to: String) throws {}
}
