// Separate file: all suites share it.

import MPI

/// An element type with numbers to test with.
protocol TestElement: MPIElement, Numeric, Comparable {
  init(_ value: Int)
}

extension Int8: TestElement {}
extension UInt8: TestElement {}
extension Int16: TestElement {}
extension UInt16: TestElement {}
extension Int32: TestElement {}
extension UInt32: TestElement {}
extension Int64: TestElement {}
extension UInt64: TestElement {}
extension Float: TestElement {}
extension Double: TestElement {}

/// The lengths for every operation: 0, 1, exactly one part of three elements, and several parts.
let testCounts = [0, 1, 3, 8]

/// Returns `count` numbers that differ between ranks. Their sums and products fit 8 bits.
func numbers<Element: TestElement>(_ count: Int, rank: Int, _ type: Element.Type) -> [Element] {
  (0..<count).map { Element(1 + ($0 + rank) % 3) }
}

/// Returns the elementwise reduction of the numbers of all ranks.
func reduced<Element: TestElement>(
  _ count: Int, ranks: Int, _ combine: (Element, Element) -> Element
) -> [Element] {
  (1..<max(ranks, 1)).reduce(numbers(count, rank: 0, Element.self)) { sum, rank in
    zip(sum, numbers(count, rank: rank, Element.self)).map(combine)
  }
}

/// Returns the numbers of all ranks, one rank after the other.
func joined<Element: TestElement>(_ count: Int, ranks: Int, _ type: Element.Type) -> [Element] {
  (0..<ranks).flatMap { numbers(count, rank: $0, type) }
}
