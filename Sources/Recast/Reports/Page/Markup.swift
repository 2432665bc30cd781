/// A piece of a page: what is written as HTML, and as XML reads it, too.
///
/// Names of elements and of attributes are cases of the source, and texts and values are always escaped where they are
/// written, so that nothing that comes from a file can become markup. There is no door for ready markup but the page's
/// own style.
package indirect enum Markup: Sendable {
    case text(String)
    case element(Tag, [Attribute], [Markup])
    case group([Markup])
    case style(StaticString)

    package struct Attribute: Sendable {
        var name: Name
        var value: String
    }

    static func tag(
        _ tag: Tag, _ attributes: KeyValuePairs<Attribute.Name, String> = [:], _ content: [Markup] = []
    ) -> Markup {
        .element(tag, attributes.map { Attribute(name: $0.key, value: $0.value) }, content)
    }

    static func tag(
        _ tag: Tag, _ attributes: KeyValuePairs<Attribute.Name, String> = [:], _ text: String
    ) -> Markup { self.tag(tag, attributes, [.text(text)]) }

    package enum Tag: String, Sendable {
        case html, head, meta, title, style, body, header, main, footer, section, div, figure, figcaption, details,
            summary
        case h1, h2, h3, p, span, bdi, code, ul, li, dl, dt, dd, table, caption, thead, tbody, tr, th, td
        case svg, g, rect, path, line, circle, text, desc

        /// Elements that have no end in HTML.
        var isVoid: Bool { self == .meta }

        /// Whether a line break before it changes nothing that is seen.
        var breaksLines: Bool {
            switch self {
            case .span, .bdi, .code, .title, .text, .desc: false
            default: true
            }
        }
    }
}

extension Markup.Attribute {
    package enum Name: String, Sendable {
        case lang, charset, name, content, id, `class`, title, style, role, scope, tabindex
        case httpEquiv = "http-equiv"
        case ariaLabel = "aria-label"
        case ariaLabelledBy = "aria-labelledby"
        case ariaHidden = "aria-hidden"
        case viewBox, x, y, x1, y1, x2, y2, cx, cy, r, d, width, height, transform
        case textAnchor = "text-anchor"
    }
}

extension Markup {
    /// Appends what it is in UTF-8.
    func write(to bytes: inout [UInt8]) {
        switch self {
        case .text(let text): Self.escape(text, to: &bytes)
        case .group(let pieces): for piece in pieces { piece.write(to: &bytes) }
        case .style(let text):
            bytes += Array("\n<style>".utf8)
            text.withUTF8Buffer { bytes += $0 }
            bytes += Array("</style>".utf8)
        case .element(let tag, let attributes, let content):
            if tag.breaksLines { bytes.append(UInt8(ascii: "\n")) }
            bytes.append(UInt8(ascii: "<"))
            bytes += tag.rawValue.utf8
            for attribute in attributes {
                bytes.append(UInt8(ascii: " "))
                bytes += attribute.name.rawValue.utf8
                bytes += Array("=\"".utf8)
                Self.escape(attribute.value, to: &bytes)
                bytes.append(UInt8(ascii: "\""))
            }
            if tag.isVoid {
                bytes += Array("/>".utf8)
            } else {
                bytes.append(UInt8(ascii: ">"))
                for piece in content { piece.write(to: &bytes) }
                bytes += Array("</".utf8)
                bytes += tag.rawValue.utf8
                bytes.append(UInt8(ascii: ">"))
            }
        }
    }

    private static func escape(_ text: String, to bytes: inout [UInt8]) {
        for byte in PageText.visible(text).utf8 {
            switch byte {
            case UInt8(ascii: "<"): bytes += Array("&lt;".utf8)
            case UInt8(ascii: ">"): bytes += Array("&gt;".utf8)
            case UInt8(ascii: "&"): bytes += Array("&amp;".utf8)
            case UInt8(ascii: "\""): bytes += Array("&quot;".utf8)
            case UInt8(ascii: "'"): bytes += Array("&#39;".utf8)
            default: bytes.append(byte)
            }
        }
    }
}
