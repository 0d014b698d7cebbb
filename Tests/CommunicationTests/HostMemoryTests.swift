import Foundation
import Testing

@testable import Communication

@Suite struct HostMemoryTests {
  /// A folder with files of control groups.
  private final class Groups {
    let root = NSTemporaryDirectory() + "/rnn-dist-groups-" + UUID().uuidString
    deinit { try? FileManager.default.removeItem(atPath: root) }

    func write(_ text: String, to name: String) throws {
      let url = URL(fileURLWithPath: "\(root)/\(name)")
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }

    func limit(_ text: String) -> Int { HostMemory.limit(physical: 1000, groups: text, root: root) }
  }

  @Test func withoutGroupsTheHostIsTheLimit() {
    #expect(Groups().limit("") == 1000)
    #expect(Groups().limit("0::/a\n") == 1000)
  }

  @Test func anyGroupOnTheWayToTheRootLimits() throws {
    let groups = Groups()
    try groups.write("max\n", to: "a/b/memory.max")
    #expect(groups.limit("0::/a/b\n") == 1000)
    try groups.write("300\n", to: "a/memory.max")
    #expect(groups.limit("0::/a/b\n") == 300)
    // In a container, the path of the group is that on the host.
    try groups.write("200\n", to: "memory.max")
    #expect(groups.limit("0::/elsewhere\n") == 200)
  }

  @Test func theFirstVersionOfControlGroupsIsRead() throws {
    let groups = Groups()
    try groups.write("9223372036854771712\n", to: "memory/memory.limit_in_bytes")
    try groups.write("400\n", to: "memory/a/memory.limit_in_bytes")
    #expect(groups.limit("5:cpu:/a\n4:memory:/a\n") == 400)
    #expect(groups.limit("5:cpu:/a\n") == 1000)
  }

  @Test func thisHostHasMemory() {
    #expect(HostMemory.limit() > 1 << 20 && HostMemory.perRank > 0)
  }
}
