// Separate file: the tests of one source file.

import MPI
import Testing

/// The parts of the wrapper that work without an initialized MPI.
@Suite struct BufferTests {
  @Test(arguments: [0, 1, 1000])
  func startsAtZeroAndAligned(count: Int) {
    let buffer = Buffer<Double>(count: count)
    #expect(buffer.count == count)
    #expect(buffer.elements == [Double](repeating: 0, count: count))
    buffer.withUnsafePointer { memory in
      if let base = memory.baseAddress { #expect(UInt(bitPattern: base) % 64 == 0) }
    }
  }

  @Test func holdsACopy() {
    var elements: [Int32] = [1, 2, 3]
    var buffer = Buffer(elements)
    elements[0] = 9
    buffer[2] = 7
    #expect(buffer.elements == [1, 2, 7])
  }

  @Test func wrapsMemoryOfTheCaller() {
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2)
    defer { memory.deallocate() }
    memory.initialize(repeating: 1)
    do {
      var buffer = Buffer(unowned: memory)
      buffer[1] = 5
    }
    #expect(Array(memory) == [1, 5])
  }

  @Test func threadLevelsAreOrdered() {
    #expect(ThreadLevel.single < .multiple && !(ThreadLevel.serialized < .funneled))
  }
}
