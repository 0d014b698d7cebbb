import Checkpoints
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("DurableFile")
struct DurableFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("a file is replaced and no other file is left")
  func replaces() throws {
    let path = try directory.write("old".utf8, to: "f")
    try DurableFile.write(Data("new".utf8), to: path)
    #expect(try contents(path) == Array("new".utf8))
    #expect(try directory.names() == ["f"])
  }

  @Test("pieces and short writes produce the complete file", arguments: [1, 3, 1000])
  func shortWrites(longest: Int) throws {
    let path = directory.file("f")
    let bytes = (0..<500).map { UInt8(truncatingIfNeeded: $0) }
    try DurableFile.write(to: path, operations: FileSystemOperations(longestWrite: longest)) { append in
      try bytes.prefix(123).withUnsafeBytes(append)
      try bytes.dropFirst(123).withUnsafeBytes(append)
    }
    #expect(try contents(path) == bytes)
  }

  @Test("the content is flushed before the rename, and the directory after it")
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

  @Test("a failure before the rename leaves only the old file", arguments: 0..<5)
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

  @Test("a real failure names the file, the operation and the reason")
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

  @Test("a file is read up to a limit, and only if it is a regular file")
  func reading() throws {
    let path = try directory.write("12345".utf8, to: "f")
    #expect(try DurableFile.read(path, limit: 5) == Data("12345".utf8))
    #expect(try DurableFile.read(path, limit: 4) == nil)
    #expect(try DurableFile.read(directory.path, limit: 100) == nil)
    let failure = #expect(throws: FileFailure.self) { try DurableFile.read(path + "x", limit: 5) }
    #expect(failure?.exitCode == 66)
  }

  @Test("a new directory is flushed together with the directory that it is in")
  func durableDirectories() throws {
    let flushed = Mutex([String]())
    let operations = FileSystemOperations { operation, path in
      if operation == .flush { flushed.withLock { $0.append(path) } }
    }
    try operations.createDirectories(directory.file("a/b"))
    #expect(flushed.withLock { $0 } == [directory.path, directory.file("a")])
    try operations.createDirectories(directory.file("a/b"))
    #expect(flushed.withLock { $0.count } == 2)
    _ = try directory.write("x".utf8, to: "a/f")
    try operations.flushFiles(in: directory.file("a"))
    #expect(flushed.withLock { $0.suffix(2) } == [directory.file("a/f"), directory.file("a")])
  }

  @Test("directories are created with their parents, and an existing file is not mistaken for one")
  func directories() throws {
    for _ in 0..<2 { try FileSystemOperations.standard.createDirectories(directory.file("a/b/c")) }
    #expect(try directory.names(in: "a/b") == ["c"])
    let path = try directory.write("".utf8, to: "f")
    for path in [path, path + "/a"] {
      let failure = #expect(throws: FileFailure.self) {
        try FileSystemOperations.standard.createDirectories(path)
      }
      #expect(failure?.operation == .createDirectory && failure?.exitCode == 73)
    }
  }
}
