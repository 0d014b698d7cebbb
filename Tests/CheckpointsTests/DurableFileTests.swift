import Checkpoints
import Foundation
import Testing

@Suite("DurableFile")
struct DurableFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("a file is replaced and nothing else is left")
  func replaces() throws {
    let path = try directory.write("old".utf8, to: "f")
    try DurableFile.write(Data("new".utf8), to: path)
    #expect(try contents(path) == Array("new".utf8))
    #expect(try directory.names() == ["f"])
  }

  @Test("pieces and short writes make up the whole", arguments: [1, 3, 1000])
  func shortWrites(longest: Int) throws {
    let path = directory.file("f")
    let bytes = (0..<500).map { UInt8(truncatingIfNeeded: $0) }
    try DurableFile.write(to: path, operations: FileSystemOperations(longestWrite: longest)) { sink in
      try bytes.prefix(123).withUnsafeBytes { try sink.append($0) }
      try bytes.dropFirst(123).withUnsafeBytes { try sink.append($0) }
    }
    #expect(try contents(path) == bytes)
  }

  @Test("the content is flushed before the file gets its name, and the name after that")
  func order() throws {
    let system = FaultySystem()
    try DurableFile.write(Data("new".utf8), to: directory.file("f"), operations: system.operations)
    #expect(system.calls == [.create, .write, .flush, .close, .rename, .open, .flush])
  }

  @Test("an interrupted call is repeated", arguments: 0..<6)
  func interruption(call: Int) throws {
    let system = FaultySystem(at: call, .failure(EINTR))
    try DurableFile.write(Data("new".utf8), to: directory.file("f"), operations: system.operations)
    #expect(try contents(directory.file("f")) == Array("new".utf8))
    #expect(system.calls.count == 8)
  }

  @Test("a call that fails before the rename leaves the old file and no other", arguments: 0..<5)
  func failure(call: Int) throws {
    let path = try directory.write("old".utf8, to: "f")
    let system = FaultySystem(at: call, .failure(ENOSPC))
    let failure = try #require(throws: FileFailure.self) {
      try DurableFile.write(Data("new".utf8), to: path, operations: system.operations)
    }
    #expect(failure.operation == system.calls[call])
    #expect(failure.errno == ENOSPC)
    #expect(try contents(path) == Array("old".utf8))
    #expect(try directory.names() == ["f"])
  }

  @Test("a real failure names file, operation and reason, and has its exit code")
  func realFailure() throws {
    let path = directory.file("missing/f")
    let failure = try #require(throws: FileFailure.self) {
      try DurableFile.write(Data("new".utf8), to: path)
    }
    #expect(failure.operation == .create && failure.errno == ENOENT)
    #expect(failure.description.contains("missing") && failure.description.contains("No such file"))
  }

  @Test(
    "exit codes follow the operation",
    arguments: [
      (FileOperation.create, ENOSPC, Int32(73)), (.createDirectory, EACCES, 73), (.link, EACCES, 73),
      (.write, ENOSPC, 74), (.flush, EIO, 74), (.read, EIO, 74), (.rename, EACCES, 74), (.open, ENOENT, 66),
      (.open, EACCES, 74),
    ])
  func exitCodes(operation: FileOperation, number: Int32, exitCode: Int32) {
    #expect(FileFailure(path: "f", operation: operation, errno: number).exitCode == exitCode)
  }
}
