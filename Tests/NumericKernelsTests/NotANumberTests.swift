import CKernels
import NumericKernels
import Testing

/// A NaN anywhere must reach the gradient norm, where training notices it: no kernel may turn it into a
/// number.
@Suite struct NotANumberTests {
  @Test(arguments: Precision.allCases)
  func elementaryFunctionsKeepIt(precision: Precision) {
    checkElementary(precision.type)
  }

  private func checkElementary<Element: Scalar>(_ type: Element.Type) {
    for count in [1, 16, 19] {
      for place in [0, count - 1] {
        var x = [Element](repeating: 0.5, count: count)
        x[place] = .nan
        let (expected, kept) = (x.map(\.isNaN), Block(x))
        for activation in ElementwiseActivation.allCases {
          let y = Block(x)
          y.view.activate(activation)
          #expect(y.values.map(\.isNaN) == expected, "\(activation)")
          // A NaN in the gradient is kept for any activation, and so is a NaN in the activation.
          for active in [0, 1] as [Element] {
            let (gradient, y) = (Block(x), Block<Element>(rows: 1, columns: count) { _, _ in active })
            gradient.view.activateBackward(activation, y.view)
            #expect(gradient.values.map(\.isNaN) == expected, "\(activation)")
          }
          guard activation != .identity else { continue }
          let gradient = Block<Element>(rows: 1, columns: count) { _, _ in 1 }
          gradient.view.activateBackward(activation, kept.view)
          #expect(gradient.values.map(\.isNaN) == expected, "\(activation)")
        }
      }
    }
  }

  @Test(arguments: [1, 16, 19], Precision.allCases)
  func softmaxAndLossKeepIt(columns: Int, precision: Precision) {
    checkSoftmax(columns, precision.type)
  }

  private func checkSoftmax<Element: Scalar>(_ columns: Int, _ type: Element.Type) {
    for place in [0, columns / 2, columns - 1] {
      var x = [Element](repeating: 0.5, count: columns)
      x[place] = .nan
      let (y, z) = (Block(x), Block(x))
      y.view.softmax()
      #expect(y.values.allSatisfy { $0.isNaN })
      let loss = z.view.softmaxCrossEntropy(targets: [0], withGradient: true)
      #expect(loss.isNaN && z.values.allSatisfy { $0.isNaN })
    }
  }

  /// Sets one input of a cell's step to NaN at a time.
  @Test(arguments: Precision.allCases)
  func cellStepsKeepIt(precision: Precision) {
    checkCells(precision.type)
  }

  private func checkCells<Element: Scalar>(_ type: Element.Type) {
    let hiddenSize = 3
    /// Whether h is NaN in unit 1 if the named operand is.
    func reaches(
      _ sizes: [Int], _ operand: Int, unit: Int,
      _ step: (_ operands: [UnsafeMutablePointer<Element>], _ h: UnsafeMutablePointer<Element>) -> Void
    ) -> Bool {
      let operands = sizes.map { Block<Element>(rows: 1, columns: $0) { _, _ in 0.5 } }
      operands[operand].base[unit] = .nan
      let h = Block<Element>(rows: 1, columns: hiddenSize) { _, _ in 0 }
      step(operands.map(\.base), h.base)
      return h.values.map(\.isNaN) == [false, true, false]
    }
    let type = Element.kernelType
    for gate in 0..<4 {
      for operand in [0, 1] {
        #expect(
          reaches([4 * hiddenSize, 4 * hiddenSize, hiddenSize], operand, unit: gate * hiddenSize + 1) {
            operands, h in
            let c = Block<Element>(rows: 1, columns: hiddenSize) { _, _ in 0 }
            rnd_lstm_forward(
              type,
              rnd_lstm(
                units: hiddenSize, width: hiddenSize, gates: operands[0], bias: operands[1],
                c_previous: operands[2], c: c.base, h: h), 0, 1)
          }, "lstm gate \(gate)")
      }
    }
    for gate in 0..<3 {
      for operand in 0..<4 {
        #expect(
          reaches(
            [3 * hiddenSize, 3 * hiddenSize, 3 * hiddenSize, 3 * hiddenSize, hiddenSize], operand,
            unit: gate * hiddenSize + 1
          ) { operands, h in
            rnd_gru_forward(
              type,
              rnd_gru(
                units: hiddenSize, x_gates: operands[0], h_gates: operands[1], x_bias: operands[2],
                h_bias: operands[3], h_previous: operands[4], h: h), 0, 1)
          }, "gru gate \(gate)")
      }
    }
    for relu in [false, true] {
      #expect(
        reaches([hiddenSize, hiddenSize], 0, unit: 1) { operands, h in
          rnd_rnn_forward(
            type, rnd_rnn(units: hiddenSize, relu: relu, pre: operands[0], bias: operands[1], h: h), 0, 1)
        })
      let (h, ones, zeros) = (
        Block<Element>([0, .nan, 0]), Block<Element>([1, 1, 1]), Block<Element>([0, 0, 0])
      )
      let gradient = Block<Element>([0, 0, 0])
      rnd_rnn_backward(
        type,
        rnd_rnn_gradient(
          units: hiddenSize, relu: relu, h: h.base, dh_out: ones.base, dh_next: zeros.base,
          d_pre: gradient.base), 0, 1)
      #expect(gradient.values.map(\.isNaN) == [false, true, false])
    }
  }

  @Test func productsKeepIt() {
    let a = Block<Float>(rows: 7, columns: 5) { $0 == 3 && $1 == 2 ? .nan : 0 }
    let b = Block<Float>(rows: 5, columns: 70) { _, _ in 0 }
    let packed = PackedMatrix(b.view, transposed: false)
    let c = Block<Float>(rows: 7, columns: 70) { _, _ in 0 }
    for accumulate in [false, true] {
      packed.multiply(a.view, into: c.view, accumulate: accumulate)
      #expect((0..<7).allSatisfy { row in (0..<70).allSatisfy { c.view[row, $0].isNaN == (row == 3) } })
    }
    multiply(a.view, b.view, into: c.view)
    #expect((0..<70).allSatisfy { c.view[3, $0].isNaN && !c.view[2, $0].isNaN })
  }
}
