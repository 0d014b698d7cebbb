import Checkpoints
import Testing

@Suite("Digest")
struct DigestTests {
  @Test("empty input has the digests that xxHash publishes")
  func empty() {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    #expect(Digest.hexadecimal(of: nothing) == "99aa06d3014798d86001c324468d497f")
    #expect(Digest.digest64(of: nothing) == 0x2d06_8005_38d3_94c2)
  }

  @Test("the digest doesn't depend on the size of the pieces", arguments: [1, 7, 64, 255, 1000, 4096])
  func pieces(size: Int) {
    let bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    bytes.withUnsafeBytes { whole in
      var digest = Digest()
      for start in stride(from: 0, to: whole.count, by: size) {
        digest.update(UnsafeRawBufferPointer(rebasing: whole[start..<min(start + size, whole.count)]))
      }
      #expect(digest.hexadecimal() == Digest.hexadecimal(of: whole))
    }
  }

  @Test("a different bit changes the digest")
  func sensitivity() {
    var bytes = [UInt8](repeating: 7, count: 100)
    func digests() -> (String, UInt64) {
      bytes.withUnsafeBytes { (Digest.hexadecimal(of: $0), Digest.digest64(of: $0)) }
    }
    let original = digests()
    bytes[99] ^= 1
    #expect(digests().0 != original.0 && digests().1 != original.1)
  }

  @Test("a text is digested as its UTF-8 bytes")
  func text() {
    var digest = Digest()
    digest.update("für")
    #expect(digest.hexadecimal() == Array("für".utf8).withUnsafeBytes { Digest.hexadecimal(of: $0) })
  }
}
