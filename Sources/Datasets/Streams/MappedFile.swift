import Foundation
import Synchronization

/// A file in memory, of which only the pages that are read take room, and only for a while.
///
/// Only files that the program wrote itself are mapped: one that another program shortens meanwhile ends this one with a bus
/// error.
final class MappedFile: @unchecked Sendable {  // The bytes never change; the count of pages is atomic.
  let bytes: UnsafeRawBufferPointer
  /// Bytes that have been read, in whole pages, since pages were last given back.
  private let touched = Atomic<Int>(0)
  /// Most bytes that stay resident.
  private static let mostResident = 1 << 26
  /// The system maps this many bytes around one that is read, Linux's `fault_around_bytes`.
  private static let leastTouched = 1 << 16

  /// Maps a regular file. Throws `DataError`.
  init(path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw errno == ENOENT
        ? DataError.missing(path: path) : .unreadable(path: path, reason: systemText(errno))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw DataError.notAFile(path: path)
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      throw DataError.unreadable(path: path, reason: systemText(errno))
    }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }

  /// To be called after `count` bytes were read: gives pages back when there are many. They stay in the cache of the system.
  func note(_ count: Int) {
    let total = touched.wrappingAdd(max(count, Self.leastTouched), ordering: .relaxed).newValue
    guard total > Self.mostResident, let start = bytes.baseAddress else { return }
    touched.store(0, ordering: .relaxed)
    madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
  }
}
