/// What a loss depends on besides a model and its data.
public struct LossOptions: Sendable, Hashable {
  /// Label smoothing ε of a softmax output (Szegedy et al. 2016, section 7), 0 when evaluating: the target is 1 - ε of its
  /// class and ε spread evenly over all classes. Other outputs have none.
  public var labelSmoothing: Double

  public init(labelSmoothing: Double = 0) { self.labelSmoothing = labelSmoothing }
}
