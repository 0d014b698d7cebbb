import NumericKernels

/// What a classifier says about a sequence.
public enum ClassifierOutput: Sendable, Hashable {
  /// One of several classes.
  case softmax(classes: Int)
  /// Numbers (regression).
  case linear(size: Int)
}

/// The sizes and options of a classifier.
public struct SequenceClassifierShape: Sendable, Hashable {
  public var network: SequenceNetworkShape
  public var pooling: Pooling
  public var output: ClassifierOutput

  public init(network: SequenceNetworkShape, pooling: Pooling = .last, output: ClassifierOutput) {
    self.network = network
    self.pooling = pooling
    self.output = output
  }
}

/// What shall come out for each sequence of a batch, in the caller's order.
public enum SequenceTargets<Element: Scalar> {
  /// [count]; below zero: no target.
  case classes(UnsafePointer<Int32>)
  /// [count, width].
  case numbers(UnsafePointer<Element>, width: Int)
}

/// Sequences together with what shall come out for them.
public struct ClassifierBatch<Element: Scalar> {
  public let input: InputSequences<Element>
  public let targets: SequenceTargets<Element>
  /// The coordinates of the masks of dropout; nil when evaluating: nothing is dropped.
  public let masks: SampleMasks?

  public init(input: InputSequences<Element>, targets: SequenceTargets<Element>, masks: SampleMasks? = nil) {
    self.input = input
    self.targets = targets
    self.masks = masks
  }
}

/// What a classifier says about sequences, in the caller's order.
public struct ClassifierPrediction<Element: Scalar> {
  public enum Output {
    /// The most probable class of each sequence [count], and the probabilities of all [count, classes].
    case classes([Int32], probabilities: [Element])
    /// [count, size].
    case numbers([Element])
  }

  public let output: Output
  /// With attention pooling the weight of each step, sequence after sequence, [sum of lengths]: those of a sequence add up
  /// to one.
  public let attention: [Element]?
}
