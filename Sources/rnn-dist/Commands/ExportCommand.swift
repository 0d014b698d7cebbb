import ArgumentParser
import Exporting
import Foundation
import Tasks

struct ExportCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write the model of a run for another program.",
    discussion: """
      pytorch writes a directory with model.py, model.safetensors and the vocabularies; onnx a directory with graphs for ONNX \
      Runtime; npz one file of arrays; c one C file without dependencies. docs/EXPORT.md shows how to use each.

      Examples:
        rnn-dist export runs/shakespeare --format pytorch -o shakespeare
        rnn-dist export runs/dates --format onnx -o dates-onnx
        rnn-dist export runs/shakespeare --format npz --keras-order -o w.npz
        rnn-dist export runs/shakespeare --format c -o shakespeare.c
      """)

  @OptionGroup var run: RunArguments
  @Option(help: ArgumentHelp("What to write.", valueName: "pytorch|onnx|npz|c")) var format: ExportFormat
  @Option(
    name: [.short, .long], help: ArgumentHelp("A new directory (pytorch, onnx) or file.", valueName: "path"))
  var output: String
  @Flag(help: "npz: gates, biases and matrices as Keras has them.") var kerasOrder = false

  func validate() throws {
    if kerasOrder, format != .npz { throw ValidationError("--keras-order is for --format npz") }
  }

  func runLocally() throws -> Int32 {
    let saved = try run.load()
    run.warn(of: saved)
    let model = try ExportedModel(saved, run: run.run)
    switch format {
    case .pytorch: try model.writePyTorch(to: output)
    case .onnx: try model.writeONNX(to: output)
    case .npz: try model.writeNumPy(to: output, kerasOrder: kerasOrder)
    case .c: try model.writeC(to: output)
    }
    try StandardOutput.line("wrote \(output)")
    if let (packages, code) = loading {
      Console.error("to load it, with \(packages): cd \(Launcher.quoted(output)) && python3 -c '\(code)'")
    }
    return ExitCode.done
  }

  /// The Python packages and the code that load the model; nil for files that another program reads in its own way.
  private var loading: (packages: String, code: String)? {
    switch format {
    case .pytorch: return ("torch and safetensors", "from model import load; print(load())")
    case .onnx:
      let file =
        FileManager.default.fileExists(atPath: "\(output)/model.onnx") ? "model.onnx" : "encoder.onnx"
      return (
        "onnxruntime",
        "import onnxruntime; print([i.name for i in onnxruntime.InferenceSession(\"\(file)\").get_inputs()])"
      )
    case .npz, .c: return nil
    }
  }
}

extension ExportFormat: ExpressibleByArgument {}
