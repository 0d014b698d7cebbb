extension Communicator {
  /// Overwrites `values` with their sum over all ranks, added in one fixed binary tree (collective).
  ///
  /// `((v₀ + v₁) + (v₂ + v₃)) + …`: in round k each rank exchanges with `rank XOR 2ᵏ` and adds, as in
  /// recursive doubling (Thakur, Rabenseifner, Gropp 2005, section 4). The addition of two numbers is commutative, so
  /// both ranks of a pair get the same bits. 2ⁿ ranks get the bits of one process that adds 2ⁿ parts in pairs.
  ///
  /// `scratch` receives the elements of the other rank. With a smaller buffer there are more messages. Throws
  /// `CommunicationError` of kind `notPowerOfTwo`, or an error of the communication itself.
  public func treeSum(
    _ values: UnsafeMutableBufferPointer<Float>, scratch: UnsafeMutableBufferPointer<Float>
  ) throws {
    try addInPairs(values, scratch: scratch)
  }

  /// Overwrites `Double` values with their sum in the same way.
  public func treeSum(
    _ values: UnsafeMutableBufferPointer<Double>, scratch: UnsafeMutableBufferPointer<Double>
  ) throws {
    try addInPairs(values, scratch: scratch)
  }

  private func addInPairs<Scalar: BinaryFloatingPoint & BitwiseCopyable>(
    _ values: UnsafeMutableBufferPointer<Scalar>, scratch: UnsafeMutableBufferPointer<Scalar>
  ) throws {
    guard worldSize & (worldSize - 1) == 0 else {
      throw failure(
        .notPowerOfTwo(worldSize: worldSize), in: "treeSum",
        "a fixed binary tree needs 1, 2, 4, 8, … ranks, and this job has \(worldSize)")
    }
    precondition(
      !scratch.isEmpty || values.isEmpty || worldSize == 1,
      "treeSum of \(values.count) values needs scratch space for at least one")
    var distance = 1
    while distance < worldSize {
      for start in stride(from: 0, to: values.count, by: scratch.count) {
        let own = UnsafeMutableBufferPointer(
          rebasing: values[start..<min(start + scratch.count, values.count)])
        let other = UnsafeMutableBufferPointer(rebasing: scratch[..<own.count])
        try exchange(
          UnsafeRawBufferPointer(own), UnsafeMutableRawBufferPointer(other), with: rank ^ distance)
        for index in own.indices { own[index] += other[index] }
      }
      distance *= 2
    }
  }
}
