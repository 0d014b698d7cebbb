/// A text as token ids, in the narrowest of 8, 16 and 32 bits that holds its vocabulary.
public struct TokenStream: Sendable, Equatable {
  private enum Storage: Sendable, Equatable {
    case bits8([UInt8])
    case bits16([UInt16])
    case bits32([UInt32])
  }

  private let storage: Storage

  /// The tokens of `ids`, each of which must be in `0 ..< vocabularySize`.
  public init(_ ids: some Sequence<Int32>, vocabularySize: Int) {
    let checked = ids.lazy.map { id in
      precondition(
        id >= 0 && id < vocabularySize, "token \(id) isn't below the vocabulary size \(vocabularySize)")
      return id
    }
    switch TokenWidth(vocabularySize: vocabularySize) {
    case .bits8: storage = .bits8(checked.map { UInt8($0) })
    case .bits16: storage = .bits16(checked.map { UInt16($0) })
    case .bits32: storage = .bits32(checked.map { UInt32($0) })
    }
  }

  init(_ values: [UInt8]) { storage = .bits8(values) }
  init(_ values: [UInt16]) { storage = .bits16(values) }
  init(_ values: [UInt32]) { storage = .bits32(values) }

  /// Number of tokens.
  public var count: Int {
    switch storage {
    case .bits8(let values): values.count
    case .bits16(let values): values.count
    case .bits32(let values): values.count
    }
  }

  /// Memory of one token, in bytes.
  public var bytesPerToken: Int {
    switch storage {
    case .bits8: 1
    case .bits16: 2
    case .bits32: 4
    }
  }

  /// The id at a position in `0 ..< count`.
  public subscript(position: Int) -> Int32 {
    switch storage {
    case .bits8(let values): Int32(values[position])
    case .bits16(let values): Int32(values[position])
    case .bits32(let values): Int32(values[position])
    }
  }

  /// Overwrites the beginning of `destination` with the ids of `range`.
  public func copy(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Int32>) {
    precondition(
      destination.count >= range.count, "room for \(destination.count) tokens, \(range.count) to copy")
    copy(range, into: destination, offset: 0, stride: 1)
  }

  /// Overwrites every `stride`-th element of `destination` from `offset` on with the ids of `range`.
  func copy(
    _ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Int32>, offset: Int, stride: Int
  ) {
    switch storage {
    case .bits8(let values): scatter(values[range], into: destination, offset: offset, stride: stride)
    case .bits16(let values): scatter(values[range], into: destination, offset: offset, stride: stride)
    case .bits32(let values): scatter(values[range], into: destination, offset: offset, stride: stride)
    }
  }

  /// A hash of the ids that is the same on every rank and in every process, whatever the width in memory.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(UInt64(count))
    switch storage {
    case .bits8(let values): for value in values { hash.combine(UInt64(value)) }
    case .bits16(let values): for value in values { hash.combine(UInt64(value)) }
    case .bits32(let values): for value in values { hash.combine(UInt64(value)) }
    }
    return hash.value
  }
}

/// How many bits a token of a vocabulary takes.
enum TokenWidth {
  case bits8, bits16, bits32

  init(vocabularySize: Int) {
    self = vocabularySize <= 1 << 8 ? .bits8 : vocabularySize <= 1 << 16 ? .bits16 : .bits32
  }
}

private func scatter<Value: FixedWidthInteger>(
  _ values: ArraySlice<Value>, into destination: UnsafeMutableBufferPointer<Int32>, offset: Int, stride: Int
) {
  values.withUnsafeBufferPointer { values in
    for index in values.indices {
      destination[offset + index * stride] = Int32(truncatingIfNeeded: values[index])
    }
  }
}
