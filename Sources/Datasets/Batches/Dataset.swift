/// Data that a model learns from or is evaluated on: a stream of tokens (``TokenStream``) or a list of examples
/// (``ExampleSet``). Both provide batches in the same way.
public protocol Dataset: Sendable {
  associatedtype Batches: BatchSource

  /// The number of examples; a stream counts as one.
  var exampleCount: Int { get }
  /// The number of tokens or steps; for an example, those of its longer side.
  var tokenCount: Int { get }
  /// A hash of everything a model sees of the data; the same on every rank and in every process.
  var digest: UInt64 { get }
  /// The first example as it was read, for a summary; nil for a text.
  var firstExample: String? { get }
  /// Notes for the user about the data that were read, one line each.
  ///
  /// - Parameter part: the name of the data in these lines, such as "training data".
  func warnings(of part: String) -> [String]

  /// The batches of a training epoch. Throws `DataError` if the data are too small for the options.
  func trainingBatches(_ options: BatchOptions) throws -> Batches
  /// The batches of an evaluation, which hold every example, or predict every token but the first, exactly once.
  ///
  /// - Parameter includes: which examples; the batches are the same as with all of them, less what is left out.
  func evaluationBatches(_ options: BatchOptions, including includes: (_ example: Int32) -> Bool) -> Batches
}

extension Dataset {
  public var firstExample: String? { nil }
  public func warnings(of part: String) -> [String] { [] }
}

/// Batches that are cut into shards, the same for any number of ranks.
public protocol BatchSource: Sendable {
  /// One shard of a batch.
  associatedtype Batch

  /// Number of batches in the current epoch.
  var count: Int { get }
  /// The batch of the current epoch that needs the most memory; nil if there is none.
  var largestBatch: Int? { get }
  /// Moves to an epoch, counted from 0. Order and content of its batches follow from the seed and the epoch alone.
  mutating func beginEpoch(_ epoch: Int)
  /// One shard of a batch of the current epoch; nil if the shard is empty.
  func batch(_ index: Int, shard: Int, of shardCount: Int) -> Batch?
}

/// The options for cutting data into batches.
public struct BatchOptions: Sendable, Equatable {
  /// The size of a batch over all ranks.
  public enum Size: Sendable, Equatable {
    /// This many examples, or streams of a text; the last batch of an epoch may have fewer.
    case examples(Int)
    /// Examples whose longer sides have at most this many tokens in total. A longer example is a batch alone.
    case tokens(Int)
  }

  public var size: Size
  /// Streams: the maximum number of steps of a batch.
  public var steps: Int
  /// Streams: whether to leave out the last batch of an epoch if it has fewer steps.
  public var dropLast = false
  /// Examples: whether a batch holds examples of similar length.
  public var bucketing = true
  /// Examples: the seed of their order.
  public var seed: UInt64 = 0

  public init(_ size: Size, steps: Int = 1) {
    self.size = size
    self.steps = steps
  }
}
