import NumericKernels

/// A batch of sequences as a caller has them: one after the other in memory, in the caller's order, without padding.
///
/// Models sort them by length themselves (``PackedLayout``), so that padding costs nothing.
public struct InputSequences<Element: Scalar> {
  /// The inputs of the steps.
  public enum Content {
    /// One id per step, [sum of lengths].
    case tokens(UnsafePointer<Int32>, characters: WordForms?)
    /// One vector per step, [sum of lengths, width].
    case vectors(UnsafePointer<Element>, width: Int)
  }

  /// The characters of the words of a batch, each distinct word once.
  public struct WordForms {
    /// The word of each token of the batch, as an index into `forms`, [sum of lengths].
    public let index: UnsafePointer<Int32>
    /// Number of characters of each distinct word.
    public let lengths: [Int]
    /// Ids of the characters, word after word.
    public let characters: UnsafePointer<Int32>

    public init(index: UnsafePointer<Int32>, lengths: [Int], characters: UnsafePointer<Int32>) {
      self.index = index
      self.lengths = lengths
      self.characters = characters
    }
  }

  /// Steps of each sequence, at least 0.
  public let lengths: [Int]
  public let content: Content

  public init(lengths: [Int], content: Content) {
    self.lengths = lengths
    self.content = content
  }

  public var count: Int { lengths.count }
  /// Steps of all sequences.
  public var tokenCount: Int { lengths.reduce(0, +) }
}

/// The samples of a batch. With seed and step they are the coordinates of all its random numbers, so masks do not depend
/// on how samples are distributed over ranks.
public struct SampleMasks: Sendable {
  /// The seed of the run.
  public let seed: UInt64
  /// The number of the batch in the run.
  public let step: UInt64
  /// Number of each sequence within the global batch, in the caller's order.
  public let samples: [UInt32]

  public init(seed: UInt64, step: UInt64, samples: [UInt32]) {
    self.seed = seed
    self.step = step
    self.samples = samples
  }
}

extension PackedLayout {
  /// The sample and the time step of every row, in arena memory.
  ///
  /// - Parameter sample: that of the sequence at a sorted position.
  public func coordinates<Element>(
    _ arena: Arena<Element>, sample: (_ position: Int) -> UInt32
  ) -> RowCoordinates {
    let (samples, times) = (arena.buffer(rowCount, of: UInt32.self), arena.buffer(rowCount, of: UInt32.self))
    for step in 0..<steps {
      for (position, row) in rows(step).enumerated() {
        samples[row] = sample(position)
        times[row] = UInt32(step)
      }
    }
    return RowCoordinates(
      samples: UnsafePointer(samples.baseAddress!), times: UnsafePointer(times.baseAddress!))
  }
}

extension LayerContext {
  /// The same context with the masks of some samples, or without masks.
  ///
  /// - Parameter firstStream: streams of different parts of a model must not overlap: reserve two more streams for a part
  ///   than it has layers.
  func masked(by masks: SampleMasks?, _ layout: PackedLayout, firstStream: Int) -> LayerContext {
    with(
      masks.map { masks in
        DropoutContext(
          seed: masks.seed, step: masks.step,
          rows: layout.coordinates(arena) { masks.samples[layout.order[$0]] }, firstStream: firstStream)
      })
  }
}
