import Checkpoints
import Foundation
import NumericKernels

/// Measurements of matrix products that outlive a run, in one file per processor model, library and number of threads.
///
/// The cache never affects the correctness of results. If it can't be read, products are measured again; if it can't be
/// written, there is a warning.
public struct ProductCache: Sendable {
  /// All conditions that the measurements depend on, other than the shapes.
  struct Machine: Codable, Sendable, Equatable {
    var processor: String
    var kernels: String
    var blas: String
    var threads: Int

    /// The conditions of this process on this processor.
    static var present: Machine {
      Machine(
        processor: ProcessorModel.name, kernels: InstructionSet.inUse.name,
        blas: "\(BLAS.configuration) \(BLAS.coreName)", threads: KernelThreads.count)
    }
  }

  private struct Content: Codable {
    var format: Int
    var machine: Machine
    var products: [ProductMeasurement]
  }

  private static let format = 1
  private static let largestFile = 16 << 20

  private let directory: String
  private let machine: Machine

  /// - Parameter directory: the directory of the files, created by the first write.
  public init(directory: String) { self.init(directory: directory, machine: .present) }

  init(directory: String, machine: Machine) {
    self.directory = directory
    self.machine = machine
  }

  /// `rnn-dist` in the user's directory for caches: `$XDG_CACHE_HOME`, or `~/.cache`; nil if neither is an absolute
  /// path.
  public static func directory(in environment: [String: String]) -> String? {
    func absolute(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
    return (absolute("XDG_CACHE_HOME") ?? absolute("HOME").map { $0 + "/.cache" }).map { $0 + "/rnn-dist" }
  }

  /// The file for machines with these conditions.
  var path: String {
    let key = [machine.processor, machine.kernels, machine.blas, "\(machine.threads)"].joined(separator: "\n")
    let digest = Data(key.utf8).withUnsafeBytes { Digest.digest64(of: $0) }
    return "\(directory)/products-\(String(digest, radix: 16)).json"
  }

  /// Returns the known measurements, and warnings about the file. Both are empty if there is no file.
  func load() -> (known: [ProductShape: ProductMeasurement], warnings: [String]) {
    func warning(_ problem: String) -> (known: [ProductShape: ProductMeasurement], warnings: [String]) {
      ([:], ["\(path) \(problem); products are measured again"])
    }
    do {
      guard let data = try DurableFile.read(path, limit: Self.largestFile) else {
        return warning("does not have a plausible size")
      }
      let content = try JSONDecoder().decode(Content.self, from: data)
      guard content.format == Self.format, content.machine == machine else {
        return warning("was written for another machine or by another version")
      }
      let usable = content.products.allSatisfy { $0.kernels > 0 && $0.blas > 0 }
      guard usable else { return warning("is damaged: it holds times that are not positive") }
      return (Dictionary(content.products.map { ($0.shape, $0) }) { first, _ in first }, [])
    } catch let failure as FileFailure where failure.operation == .open && failure.errno == ENOENT {
      return ([:], [])
    } catch is DecodingError {
      return warning("is damaged")
    } catch {
      return warning("can't be used (\(error))")
    }
  }

  /// Replaces the file; returns the reason if that fails.
  func save(_ known: [ProductShape: ProductMeasurement]) -> String? {
    let products = known.values.sorted { $0.shape.description < $1.shape.description }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      let content = Content(format: Self.format, machine: machine, products: products)
      let data = try encoder.encode(content) + Data("\n".utf8)
      try FileSystemOperations.standard.createDirectories(directory)
      try DurableFile.write(data, to: path)
      return nil
    } catch {
      return "the measurements of matrix products could not be saved: \(error)"
    }
  }
}

/// The processor of this machine.
enum ProcessorModel {
  /// The name of the first processor or, if the system does not provide one, the numbers of its manufacturer and part.
  static var name: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let first = text.components(separatedBy: "\n\n").first ?? ""
    let fields = first.split(separator: "\n").compactMap { line -> (String, String)? in
      let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      return parts.count == 2 ? (parts[0], parts[1]) : nil
    }
    if let name = fields.first(where: { $0.0 == "model name" }) { return name.1 }
    let numbers = fields.filter { ["CPU implementer", "CPU part", "CPU variant"].contains($0.0) }.map(\.1)
    return numbers.isEmpty ? "unknown" : numbers.joined(separator: " ")
  }
}
