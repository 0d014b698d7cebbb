import Foundation
import SwiftProtobuf
import Testing

@testable import Exporting

/// The graphs are well formed. InteropTests shows that they compute the same.
@Suite struct ONNXTests {
  @Test(arguments: ExportCase.all) func graphsAreWellFormed(testCase: ExportCase) throws {
    let (model, _) = try testCase.model()
    var used: Set<String> = []
    for (name, graph) in model.graphs {
      let data = try graph.serialized(metadata: model.metadata, version: "0")
      let read = try Onnx_ModelProto(serializedBytes: data)
      #expect(read.opsetImport.map(\.version) == [Graph.opset])
      var values: Set<String> = []
      check(read.graph, "\(testCase.name) \(name)", &values, &used)
    }
    // Every weight is used, under its name or rearranged.
    for name in model.weights.names {
      let module = name.split(separator: ".").dropLast().joined(separator: ".")
      #expect(used.contains { $0.hasPrefix(name) || $0.hasPrefix(module + ".") }, "\(name)")
    }
  }

  /// Every value is computed before it is used, and only once.
  private func check(
    _ graph: Onnx_GraphProto, _ place: String, _ values: inout Set<String>, _ used: inout Set<String>
  ) {
    func add(_ name: String, _ values: inout Set<String>) {
      #expect(values.insert(name).inserted, "\(place): \(name) twice")
    }
    for tensor in graph.initializer { add(tensor.name, &values) }
    for input in graph.input { add(input.name, &values) }
    for node in graph.node {
      for input in node.input where !input.isEmpty {
        #expect(values.contains(input), "\(place): \(node.opType) reads \(input)")
        used.insert(input)
      }
      for attribute in node.attribute where attribute.hasG {
        // The body of a loop can use the values around it.
        check(attribute.g, place, &values, &used)
      }
      for output in node.output { add(output, &values) }
    }
    for output in graph.output { #expect(values.contains(output.name), "\(place): \(output.name)") }
  }

  @Test func everyOutputOfAnEncoderIsReadByTheDecoder() throws {
    for testCase in ExportCase.all {
      let graphs = try testCase.model().exported.graphs
      guard graphs.count == 2 else { continue }
      let read = try graphs.map {
        try Onnx_ModelProto(serializedBytes: $0.graph.serialized(metadata: [:], version: "0")).graph
      }
      let inputs = Set(read[1].input.map(\.name))
      #expect(inputs == Set(read[0].output.map(\.name)).union(["token"]), "\(testCase.name)")
      for output in read[1].output where output.name.hasPrefix("next_") {
        #expect(inputs.contains(String(output.name.dropFirst("next_".count))), "\(testCase.name)")
      }
    }
  }
}
