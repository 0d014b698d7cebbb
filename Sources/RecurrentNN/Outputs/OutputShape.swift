// Its own file: taggers and classifiers share it.

import Options

/// What a tagger predicts at every step, or a classifier for every sequence, and how many of it.
public struct OutputShape: Sendable, Hashable {
  public enum Kind: String, OptionChoice {
    /// One of several classes, each step by itself.
    case softmax
    /// One of several classes, the steps of a sequence together, see ``ConditionalRandomFieldOutput``.
    case crf
    /// Independent bits, for example the keys that sound.
    case bernoulli
    /// Numbers (regression).
    case linear

    /// Whether targets are numbers rather than names.
    public var isNumeric: Bool { self == .linear || self == .bernoulli }
    /// Whether e^loss is a perplexity: the loss is that of a choice among tokens, classes or tags.
    public var hasPerplexity: Bool { self == .softmax || self == .crf }
    /// Whether the loss is a negative log-probability, in nats; a squared error is not.
    public var isInNats: Bool { self != .linear }
  }

  public var kind: Kind
  /// Classes, bits or numbers.
  public var size: Int

  public init(_ kind: Kind, size: Int) { (self.kind, self.size) = (kind, size) }

  public static func softmax(classes: Int) -> OutputShape { OutputShape(.softmax, size: classes) }
  public static func conditionalRandomField(classes: Int) -> OutputShape { OutputShape(.crf, size: classes) }
  public static func bernoulli(bits: Int) -> OutputShape { OutputShape(.bernoulli, size: bits) }
  public static func linear(size: Int) -> OutputShape { OutputShape(.linear, size: size) }
}
