import NumericKernels

/// What a tagger says at every step.
public enum TaggerOutput: Sendable, Hashable {
  /// One of several classes, each step by itself.
  case softmax(classes: Int)
  /// One of several classes, the steps of a sequence together, see ``ConditionalRandomFieldOutput``.
  case conditionalRandomField(classes: Int)
  /// Independent bits, for example the keys that sound.
  case bernoulli(bits: Int)
  /// Numbers.
  case linear(size: Int)
}

/// The sizes and options of a tagger.
public struct SequenceTaggerShape: Sendable, Hashable {
  public var network: SequenceNetworkShape
  public var output: TaggerOutput

  public init(network: SequenceNetworkShape, output: TaggerOutput) {
    self.network = network
    self.output = output
  }
}

/// What shall come out at every step of a batch, sequence after sequence in the caller's order.
public enum StepTargets<Element: Scalar> {
  /// A class for each step, [sum of lengths]; below zero: no target.
  case classes(UnsafePointer<Int32>)
  /// Bits as numbers in 0...1, [sum of lengths, width]; a step that begins with a number below zero has no target.
  case bits(UnsafePointer<Element>, width: Int)
  /// Numbers, [sum of lengths, width].
  case numbers(UnsafePointer<Element>, width: Int)
}

/// Sequences together with what shall come out at their steps.
public struct TaggerBatch<Element: Scalar> {
  public let input: InputSequences<Element>
  public let targets: StepTargets<Element>
  /// The coordinates of the masks of dropout; nil when evaluating: nothing is dropped.
  public let masks: SampleMasks?

  public init(input: InputSequences<Element>, targets: StepTargets<Element>, masks: SampleMasks? = nil) {
    self.input = input
    self.targets = targets
    self.masks = masks
  }
}

/// What a tagger says about sequences, sequence after sequence in the caller's order.
public enum TaggerPrediction<Element: Scalar> {
  /// The most probable class of each step, or the classes of the most probable path, [sum of lengths].
  case classes([Int32])
  /// The probability of each bit, [sum of lengths, bits].
  case bits([Element])
  /// [sum of lengths, size].
  case numbers([Element])
}
