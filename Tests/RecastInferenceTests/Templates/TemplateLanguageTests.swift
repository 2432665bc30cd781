import Recast
import TestSupport
import Testing

@testable import RecastInference

/// What templates mean, against jinja2 as transformers sets it up.
@Suite struct TemplateLanguageTests {
    /// A conversation that is there, and the text of a template for it; nil with what went wrong.
    static func outcome(
        _ source: String, _ conversation: Conversation, prompt: Bool = false, tokens: [String: String] = [:]
    ) -> (text: String?, error: RecastError?) {
        do throws(RecastError) {
            let template = try ChatTemplate(source: source, specialTokens: tokens, now: 0)
            return (try template.render(conversation, addingGenerationPrompt: prompt).text, nil)
        } catch {
            return (nil, error)
        }
    }

    static let variables: JSON.Object = {
        let path = Fixtures.templates + "/variables.json"
        return try! JSON(parsing: try! FileSource.contents(of: path), file: path).object!
    }()

    static func outcome(_ source: String) -> (text: String?, error: RecastError?) {
        var conversation = Conversation(messages: [["role": "user", "content": "x"]])
        conversation.variables = variables
        return outcome(source, conversation)
    }

    @Test func language() throws {
        let lines = try Fixtures.lines(Fixtures.templates + "/language.jsonl")
        #expect(lines.count > 200)
        for line in lines {
            let source = line["template"]!.string!
            let (text, error) = Self.outcome(source)
            if let expected = line["text"]?.string {
                #expect(text == expected, "\(source): \(error?.description ?? "")")
            } else {
                #expect(error != nil, "\(source) gives \(text ?? "")")
                #expect(error?.trail.first == "chat template" && error?.trail.last?.hasPrefix("line ") == true)
                let said = line["error"]!.string!
                #expect(said.isEmpty || error?.message.contains(said) == true)
            }
        }
    }

    /// What Jinja has and this has not is refused by its name.
    @Test(arguments: [
        ("{% include 'x' %}", "include"), ("{% extends 'x' %}", "extends"), ("{% block x %}{% endblock %}", "block"),
        ("{% import 'x' as y %}", "import"), ("{{ s | truncate(5) }}", "truncate"),
        ("{{ r | groupby('k') }}", "groupby"),
        ("{{ cycler(1, 2) }}", "cycler"), ("{% for x in l recursive %}{% endfor %}", "recursive"),
        ("{{ s.translate({}) }}", "translate"), ("{{ 0x10 }}", "bases"), ("{{ d.items }}", "function"),
        ("{{ l | map('string') }}", "generator"), ("{{ '%5d' % 3 }}", "%5d"), ("{{ '{0.x}'.format(d) }}", "format"),
        ("{{ 9223372036854775807 + 1 }}", "64 bits"), ("{{ l is sameas l }}", "sameas"), ("{{ huge + 1 }}", "64 bits"),
        ("{{ l[1, 2] }}", "subscript"), ("{{ '\\N{DASH}' }}", "by name"),
    ])
    func unsupported(_ source: String, _ name: String) {
        let error = Self.outcome(source).error
        #expect(error?.code == .unsupported && error?.message.contains(name) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [
        ("a\n{% if x %}\n{{ 1 + }}", 3, "expected an expression, not }}"),
        ("\n{% if x %}\n\n", 2, "expected elif or else or endif"),
        ("{{ x }}\n{{ x", 2, "expected }}"), ("\n\n{# x\n\n", 3, "expected #}"), ("{%- raw %}\n", 1, "expected endraw"),
        ("{% for a in b\n%}\n{% endif %}", 3, "unknown tag"), ("\n{{ missing.x.y }}", 2, "missing is undefined"),
        ("{% macro m(a) %}\n\n{{ a.b.c }}{% endmacro %}\n\n{{ m() }}", 3, "parameter a"),
        ("{{ 'a\n\nb' }}\n{{ g() }}", 4, "g is undefined"), ("{# a\n\nb #}\n{{ g() }}", 4, "g is undefined"),
    ])
    func lines(_ source: String, _ line: Int, _ message: String) {
        let error = Self.outcome(source).error
        #expect(error?.trail == ["chat template", "line \(line)"] && error?.message.contains(message) == true)
    }

    /// Marks go wherever the characters go.
    @Test func marks() throws {
        let source = """
            {{ '<' + messages[0].content.strip() | upper | replace('B', '[b]') ~ messages[0].content[2:4] }}\
            {{ {'k': messages[0].content} | tojson }}{{ '%s!' % messages[0].content.split(' ')[1] }}\
            {{ messages[0].content | length }}{{ 'x' if messages[0].content == ' ab c' else 'y' }}\
            {% for c in messages[0].content | list %}{{ c }}.{% endfor %}
            """
        let text = try ChatTemplate(source: source).render(
            Conversation(messages: [["role": "user", "content": " ab c"]]))
        #expect(text.text == #"<A[b] Cb {"k": " ab c"}ab!5x .a.b. .c."#)
        let opaque = text.opaque.map { String(decoding: Array(text.text.utf8)[$0], as: UTF8.self) }
        #expect(opaque == ["A", " Cb ", " ab c", "ab", " ", "a", "b", " ", "c"])
    }

    @Test func dates() throws {
        let template = try ChatTemplate(source: "{{ strftime_now('%Y') | length }}{{ strftime_now('%%') }}")
        #expect(try template.render(Conversation(messages: [])).text == "4%")
    }
}
