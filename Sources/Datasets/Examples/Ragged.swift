/// Sequences of different lengths, concatenated in one array.
public struct Ragged<Element: Sendable & Equatable>: Sendable, Equatable {
  /// Elements of one step: 1, or the width of vectors.
  public let width: Int
  /// The elements of all sequences.
  public private(set) var elements: [Element] = []
  /// The step at which each sequence begins, and after the last one the number of steps; not of windows.
  public private(set) var offsets = [0]
  /// Of windows, which may overlap: the element at which each begins, and the steps of all.
  private var windows: (starts: [Int], steps: Int)?

  public init(width: Int = 1) {
    precondition(width > 0, "a width above 0, not \(width)")
    self.width = width
  }

  /// Sequences of the same length that may overlap.
  ///
  /// - Parameter starts: the element at which each begins.
  init(windowsOf elements: [Element], width: Int, starts: [Int], steps: Int) {
    self.init(width: width)
    precondition(
      starts.allSatisfy { $0 >= 0 && $0 + steps * width <= elements.count }, "windows beyond the elements")
    self.elements = elements
    windows = (starts, steps)
  }

  /// These sequences.
  public init(_ sequences: some Sequence<some Sequence<Element>>) {
    self.init()
    for sequence in sequences { append(sequence) }
  }

  /// Number of sequences.
  public var count: Int { windows?.starts.count ?? offsets.count - 1 }

  /// Number of steps of a sequence.
  public func length(_ index: Int) -> Int { windows?.steps ?? offsets[index + 1] - offsets[index] }

  /// The elements of a sequence, step after step.
  public subscript(index: Int) -> ArraySlice<Element> {
    let start = start(index)
    return elements[start..<start + length(index) * width]
  }

  /// The first element of a sequence.
  private func start(_ index: Int) -> Int { windows?.starts[index] ?? offsets[index] * width }

  public static func == (first: Ragged, second: Ragged) -> Bool {
    first.width == second.width && first.elements == second.elements && first.offsets == second.offsets
      && first.windows?.starts == second.windows?.starts && first.windows?.steps == second.windows?.steps
  }

  /// Adds a sequence of whole steps at the end.
  public mutating func append(_ sequence: some Sequence<Element>) {
    precondition(windows == nil, "windows can't be added to")
    elements.append(contentsOf: sequence)
    precondition(
      elements.count % width == 0, "\(elements.count) elements are not whole steps of width \(width)")
    offsets.append(elements.count / width)
  }

  /// Overwrites the beginning of `destination` with the selected sequences one after the other, each between
  /// `begin` and `end` if given (for sequences of ids), and returns the number of steps written.
  @discardableResult
  public func gather(
    _ selected: ArraySlice<Int32>, begin: Element? = nil, end: Element? = nil,
    into destination: UnsafeMutableBufferPointer<Element>
  ) -> Int {
    let marks = (begin == nil ? 0 : 1) + (end == nil ? 0 : 1)
    let steps = selected.reduce(0) { $0 + length(Int($1)) + marks }
    precondition(
      destination.count >= steps * width, "room for \(destination.count) elements, \(steps * width) to write")
    var position = 0
    elements.withUnsafeBufferPointer { elements in
      guard let target = destination.baseAddress else { return }
      for index in selected {
        if let begin {
          destination[position] = begin
          position += 1
        }
        let count = length(Int(index)) * width
        if let source = elements.baseAddress {
          (target + position).update(from: source + start(Int(index)), count: count)
        }
        position += count
        if let end {
          destination[position] = end
          position += 1
        }
      }
    }
    return steps
  }

  fileprivate func hash(_ bits: (Element) -> UInt64) -> UInt64 {
    var hash = StableHash()
    hash.combine(UInt64(width))
    for offset in windows?.starts ?? offsets { hash.combine(UInt64(offset)) }
    if let windows { hash.combine(UInt64(windows.steps)) }
    for element in elements { hash.combine(bits(element)) }
    return hash.value
  }
}

/// Sequences of ids.
public typealias RaggedTokens = Ragged<Int32>
/// Sequences of vectors of one width.
public typealias RaggedVectors = Ragged<Float>
/// Lines of text as in a file.
public typealias TextLines = Ragged<UInt8>

extension Ragged<Int32> {
  /// A hash of the sequences that is the same on every rank and in every process.
  var digest: UInt64 { hash { UInt64(UInt32(bitPattern: $0)) } }
}

extension Ragged<Float> {
  /// The same sequences of other numbers.
  func scaled(_ scale: Standardization) -> RaggedVectors {
    var result = self
    result.elements = scale.apply(elements, width: width)
    return result
  }

  /// A hash of the sequences that is the same on every rank and in every process.
  var digest: UInt64 { hash { UInt64($0.bitPattern) } }
}

extension Ragged<UInt8> {
  /// Calls `body` with all bytes, and with the offset of each line and of the end of the last one.
  func withUnsafeStorage<Result>(
    _ body: (UnsafeRawBufferPointer, UnsafePointer<Int>?) -> Result
  ) -> Result {
    elements.withUnsafeBytes { bytes in offsets.withUnsafeBufferPointer { body(bytes, $0.baseAddress) } }
  }
}
