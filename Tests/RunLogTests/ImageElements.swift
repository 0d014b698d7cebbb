import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The elements of an SVG image, read by an XML parser that refuses what isn't well-formed.
struct ImageElements {
  struct Element {
    var name: String
    var attributes: [String: String]
    /// The text right inside, without that of elements within.
    var text: String
    /// Of the enclosing elements, from outside in.
    var parents: [String]

    func number(_ attribute: String) -> Double { attributes[attribute].flatMap(Double.init) ?? .nan }
  }

  let all: [Element]

  init(_ svg: String) throws {
    let reader = Reader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError)) in \(svg)")
    all = reader.finished
  }

  func named(_ name: String) -> [Element] { all.filter { $0.name == name } }

  /// Everything that is written in the image, in its order.
  var texts: [String] { named("text").map(\.text) }

  private final class Reader: NSObject, XMLParserDelegate {
    var finished: [Element] = []
    /// Indices of the elements that aren't closed yet.
    private var open: [Int] = []

    func parser(
      _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String] = [:]
    ) {
      let parents = open.map { finished[$0].name }
      open.append(finished.count)
      finished.append(Element(name: elementName, attributes: attributes, text: "", parents: parents))
    }

    func parser(
      _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName: String?
    ) { open.removeLast() }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
      if let last = open.last { finished[last].text += string }
    }
  }
}
