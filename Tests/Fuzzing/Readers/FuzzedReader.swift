import Communication
import Foundation
import Tasks

/// A reader of the program, and a file that it accepts. Two programs share this list: the tests change the file at random, and
/// libFuzzer (`.ci/fuzz`) changes it in search of code that no input has reached yet.
///
/// Whatever the file holds, a reader must return, or throw an error that names the problem. It must not trap, hang or take memory
/// out of proportion to the file.
public struct FuzzedReader: Sendable, CustomStringConvertible {
  /// Words in lower case with hyphens; also the name of its file in `Tests/Fuzzing/Corpus`, without .txt.
  public let name: String
  /// The name of the file that is changed.
  private let file: String
  private let prepare: @Sendable (_ folder: String) throws -> () throws -> Void

  public var description: String { name }

  /// - Parameters:
  ///   - file: the name of the file that is changed.
  ///   - prepare: writes this file, and others that the reader needs, into an empty folder; returns the reader.
  init(
    _ name: String, file: String = "file",
    prepare: @escaping @Sendable (_ folder: String) throws -> () throws -> Void
  ) {
    (self.name, self.file, self.prepare) = (name, file, prepare)
  }

  /// A reader of one file without any other.
  init(_ name: String, bytes: [UInt8], read: @escaping @Sendable (_ path: String) throws -> Void) {
    self.init(name) { folder in
      let path = "\(folder)/file"
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return { try read(path) }
    }
  }

  init(_ name: String, _ text: String, read: @escaping @Sendable (_ path: String) throws -> Void) {
    self.init(name, bytes: Array(text.utf8), read: read)
  }

  /// Writes the files of the reader into an empty folder.
  public func open(in folder: String) throws -> OpenedReader {
    let read = try prepare(folder)
    let path = "\(folder)/\(file)"
    return OpenedReader(
      path: path, seed: [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))), read: read)
  }

  public static let all = formats + runFiles + datasets + services
}

/// A reader whose files exist.
public struct OpenedReader {
  /// The file that is changed.
  public let path: String
  /// Its content, which the reader accepts.
  public let seed: [UInt8]
  fileprivate let read: () throws -> Void

  /// Reads other bytes from the file.
  ///
  /// - Returns: the error with which the reader refuses them, or nil.
  /// - Throws: ``ReaderFault`` for an error that no user could act on.
  public func refusal(of bytes: [UInt8]) throws -> (any Error)? {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    do {
      try read()
      return nil
    } catch {
      let text = "\(error)"
      guard ExitCode.code(of: error) != ExitCode.internal, !text.isEmpty else {
        throw ReaderFault(error: text)
      }
      return error
    }
  }
}

/// A reader has thrown an error without an exit code of its own, which the program would report as its own fault.
public struct ReaderFault: Error, CustomStringConvertible {
  let error: String
  public var description: String { "the reader has thrown an internal error: \(error)" }
}

/// An input that was refused, for readers that report this in another way than by an error.
struct RefusedInput: ExitCoded, CustomStringConvertible {
  let description: String
  var exitCode: Int32 { ExitCode.badData }
}
