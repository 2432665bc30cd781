import Foundation
import TestSupport
import Testing

@testable import Recast

/// Files of types by tensor names.
@Suite struct RecipeTests {
    private static func recipe(_ text: String, in directory: TemporaryDirectory) throws -> Recipe {
        try Recipe(path: directory.write("types.recipe", Array(text.utf8)))
    }

    @Test func writtenIsRead() throws {
        let directory = TemporaryDirectory()
        let recipe = try Recipe([
            ("blk.1.attn_q.weight", .dtype(.q4_k)), ("blk.11.attn_q.weight", .dtype(.iq2_xxs)), ("a+b", .dtype(.q8_0)),
        ])
        let again = try Self.recipe(recipe.text(remarks: ["for people", "x=q4_0"]), in: directory)
        #expect(again == recipe)
        // Each line is for one tensor alone.
        let found = try ["blk.1.attn_q.weight", "blk.11.attn_q.weight", "blk_1.attn_q.weight", "a+b", "aab"].map {
            name in
            try again.overrides.filter { try $0.pattern.compiled().isFound(in: name) }.map(\.type.dtype)
        }
        #expect(found == [[.q4_k], [.iq2_xxs], [], [.q8_0], []])
    }

    @Test func linesForPeople() throws {
        let directory = TemporaryDirectory()
        let recipe = try Self.recipe(
            "# a\n\n  attn_v = nothing? \n".replacing("= nothing? ", with: "=Q6_K"), in: directory)
        #expect(recipe.overrides.map(\.type.dtype) == [.q6_k])
        #expect(try Self.recipe("ffn=q4_0\r\nattn=q5_k", in: directory).overrides.map(\.type.dtype) == [.q4_0, .q5_k])
    }

    @Test(arguments: [
        ("", "names no type"), ("# nothing\n", "names no type"), ("a=q4_0\nb\n", "line 2"), ("a=q4_9", "did you mean"),
        ("\n(=q4_0", "line 2"),
    ])
    func linesThatAreNone(_ text: String, _ words: String) throws {
        let directory = TemporaryDirectory()
        let error = #expect(throws: RecastError.self) { _ = try Self.recipe(text, in: directory) }
        #expect(error?.code == .malformedInput && error?.description.contains(words) == true, "\(error!)")
    }

    /// What is asked for on the command line comes first.
    @Test func overridesComeFirst() throws {
        let directory = TemporaryDirectory()
        let path = SmallModel().write(to: directory)
        var options = ConversionOptions(target: .gguf)
        let recipe = try Self.recipe("attn_v=q5_0\nattn_=q4_0\nnever=q8_0\n.=iq4_nl", in: directory)
        try options.encode(by: recipe, Packing.Choices())
        options.quantization.recipe = recipe
        options.quantization.overrides = [try TypeOverride(parsing: "blk.0.attn_v=q8_0")]
        let plan = try Planning(Checkpoint(path: path), options).plan(destination: "x.gguf")
        let types = Dictionary(uniqueKeysWithValues: plan.transfers.map { ($0.name, $0.encoding.name) })
        #expect(types["blk.0.attn_v.weight"] == "Q8_0" && types["blk.1.attn_v.weight"] == "Q5_0")
        #expect(types["blk.0.attn_q.weight"] == "Q4_0" && types["blk.0.ffn_up.weight"] == "IQ4_NL")
        #expect(plan.warnings.contains { $0.contains("--recipe never=Q8_0 gives no tensor its type") })
    }
}
