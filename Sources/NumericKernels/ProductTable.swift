/// The measured choices of backends for single-precision matrix products, by shape.
///
/// An open-addressed table of integers that never changes: it is read without locks or allocations. It is passed in a
/// ``ProductMode`` rather than kept in a global variable, so two models in one process, or the ranks of a test, can have
/// different tables. Shapes that are not in it follow the rule of ``ProductMode``.
public struct ProductTable: Sendable, Hashable {
  /// The code of a shape times two, plus one for the BLAS; 0 marks a free slot. The number of slots is a power of two;
  /// half of them are free.
  private let slots: [UInt64]

  public init(_ choices: [ProductShape: ProductBackend]) {
    var capacity = 4
    while capacity < 2 * choices.count { capacity *= 2 }
    var slots = [UInt64](repeating: 0, count: capacity)
    // Sorted, so that equal choices make equal tables.
    for (code, backend) in choices.map({ ($0.key.code, $0.value) }).sorted(by: { $0.0 < $1.0 }) {
      var place = Self.place(code)
      while slots[place & (capacity - 1)] != 0 { place += 1 }
      slots[place & (capacity - 1)] = code << 1 | (backend == .blas ? 1 : 0)
    }
    self.slots = slots
  }

  private static func place(_ code: UInt64) -> Int {
    Int(truncatingIfNeeded: (code &* 0x9E37_79B9_7F4A_7C15) >> 32)
  }

  /// The choice for a class of shapes by its code; nil if there is none.
  func backend(code: UInt64) -> ProductBackend? {
    var place = Self.place(code)
    while true {
      let slot = slots[place & (slots.count - 1)]
      if slot == 0 { return nil }
      if slot >> 1 == code { return slot & 1 == 0 ? .kernels : .blas }
      place += 1
    }
  }

  /// The choice for a class of shapes, nil if there is none.
  public subscript(shape: ProductShape) -> ProductBackend? { backend(code: shape.code) }
}
