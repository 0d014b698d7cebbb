import Parameters
import Testing

@Suite struct ParameterLayoutTests {
  private func example() -> ParameterLayout {
    var builder = ParameterLayout.Builder()
    let table = builder.add("table", [5, 3], .normal(standardDeviation: 1))
    builder.scoped("rnn") { builder in
      _ = builder.add("weight", [4, 3], .uniform(0.5))
      builder.scoped("inner") { builder in _ = builder.add("bias", [7], .constant(2)) }
      _ = builder.add("bias", [4], .constant(0))
    }
    builder.scoped("output") { builder in builder.tie("weight", to: table) }
    _ = builder.add("scale", [], .constant(1))
    return builder.build()
  }

  @Test func parametersLieInOrderWithoutHoles() {
    let layout = example()
    #expect(layout.parameters.map(\.name) == ["table", "rnn.weight", "rnn.inner.bias", "rnn.bias", "scale"])
    #expect(layout.parameters.map(\.range) == [0..<15, 15..<27, 27..<34, 34..<38, 38..<39])
    #expect(layout.parameters.map(\.count) == [15, 12, 7, 4, 1])
    #expect(layout.count == 39)
  }

  @Test func emptyLayout() {
    let layout = ParameterLayout.Builder().build()
    #expect(layout.count == 0 && layout.parameters.isEmpty)
    #expect(layout["anything"] == nil)
  }

  @Test func namesAndAliasesFindTheirParameter() {
    let layout = example()
    #expect(layout["rnn.inner.bias"]?.range == 27..<34)
    #expect(layout["output.weight"] == layout["table"] && layout["table"] != nil)
    #expect(layout.aliases.map(\.name) == ["output.weight"])
    #expect(layout["weight"] == nil && layout["inner.bias"] == nil)
  }

  @Test func scopesEndEvenByAnError() {
    struct Stop: Error {}
    var builder = ParameterLayout.Builder()
    #expect(throws: Stop.self) {
      try builder.scoped("outer") { builder throws(Stop) in
        _ = builder.add("first", [1], .constant(0))
        throw Stop()
      }
    }
    _ = builder.add("second", [1], .constant(0))
    #expect(builder.build().parameters.map(\.name) == ["outer.first", "second"])
  }
}
