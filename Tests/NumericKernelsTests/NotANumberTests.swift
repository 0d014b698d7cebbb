import NumericKernels
import Testing

/// A NaN anywhere must reach the gradient norm, where training notices it: no kernel may turn it into a
/// number.
@Suite struct NotANumberTests {
  @Test(arguments: Precision.allCases)
  func elementaryFunctionsKeepIt(precision: Precision) {
    switch precision {
    case .float: checkElementary(Float.self)
    case .double: checkElementary(Double.self)
    }
  }

  private func checkElementary<Element: Scalar>(_ type: Element.Type) {
    for count in [1, 16, 19] {
      for place in [0, count - 1] {
        var x = [Element](repeating: 0.5, count: count)
        x[place] = .nan
        let expected = x.map(\.isNaN)
        for function in [Element.exp, Element.sigmoid, Element.tanh] {
          var y = [Element](repeating: 0, count: count)
          function(x, &y, count)
          #expect(y.map(\.isNaN) == expected)
        }
        for activation in ElementwiseActivation.allCases {
          var y = x
          Element.activateRows(&y, count, nil, 1, count, activation)
          #expect(y.map(\.isNaN) == expected, "\(activation)")
          // A NaN in the gradient stays, whatever the activation there was, and so does one in the
          // activation.
          for active in [0, 1] as [Element] {
            var gradient = x
            Element.activateBackward(
              &gradient, count, [Element](repeating: active, count: count), count, 1, count, activation)
            #expect(gradient.map(\.isNaN) == expected, "\(activation)")
          }
          guard activation != .identity else { continue }
          var gradient = [Element](repeating: 1, count: count)
          Element.activateBackward(&gradient, count, x, count, 1, count, activation)
          #expect(gradient.map(\.isNaN) == expected, "\(activation)")
        }
      }
    }
  }

  @Test(arguments: [1, 16, 19], Precision.allCases)
  func softmaxAndLossKeepIt(columns: Int, precision: Precision) {
    switch precision {
    case .float: checkSoftmax(columns, Float.self)
    case .double: checkSoftmax(columns, Double.self)
    }
  }

  private func checkSoftmax<Element: Scalar>(_ columns: Int, _ type: Element.Type) {
    for place in [0, columns / 2, columns - 1] {
      var x = [Element](repeating: 0.5, count: columns)
      x[place] = .nan
      var y = x
      Element.softmaxRows(&y, columns, nil, 1, columns, 1)
      #expect(y.allSatisfy { $0.isNaN })
      let loss = Element.softmaxCrossEntropy(&x, columns, nil, [0], 1, columns, 0, true)
      #expect(loss.isNaN && x.allSatisfy { $0.isNaN })
    }
  }

  /// Every input of a cell's step at a time.
  @Test(arguments: Precision.allCases)
  func cellStepsKeepIt(precision: Precision) {
    switch precision {
    case .float: checkCells(Float.self)
    case .double: checkCells(Double.self)
    }
  }

  private func checkCells<Element: Scalar>(_ type: Element.Type) {
    let hiddenSize = 3
    /// True if h is NaN in unit 1 when the named operand is.
    func reaches(_ sizes: [Int], _ operand: Int, unit: Int, _ step: ([[Element]], inout [Element]) -> Void)
      -> Bool
    {
      var operands = sizes.map { [Element](repeating: 0.5, count: $0) }
      operands[operand][unit] = .nan
      var h = [Element](repeating: 0, count: hiddenSize)
      step(operands, &h)
      return h.map(\.isNaN) == [false, true, false]
    }
    for gate in 0..<4 {
      for operand in [0, 1] {
        #expect(
          reaches([4 * hiddenSize, 4 * hiddenSize, hiddenSize], operand, unit: gate * hiddenSize + 1) {
            operands, h in
            var (gates, c) = (operands[0], h)
            Element.lstmForward(1, hiddenSize, &gates, operands[1], operands[2], &c, &h)
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
            var (x, product) = (operands[0], operands[1])
            Element.gruForward(1, hiddenSize, &x, &product, operands[2], operands[3], operands[4], &h)
          }, "gru gate \(gate)")
      }
    }
    for activation in [ElementwiseActivation.tanh, .relu] {
      #expect(
        reaches([hiddenSize, hiddenSize], 0, unit: 1) { operands, h in
          Element.rnnForward(1, hiddenSize, operands[0], operands[1], &h, activation)
        })
      var (gradient, dBias) = (
        [Element](repeating: 0, count: hiddenSize), [Element](repeating: 0, count: hiddenSize)
      )
      Element.rnnBackward(1, hiddenSize, [0, .nan, 0], [1, 1, 1], [0, 0, 0], &gradient, &dBias, activation)
      #expect(gradient.map(\.isNaN) == [false, true, false] && dBias.map(\.isNaN) == [false, true, false])
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
