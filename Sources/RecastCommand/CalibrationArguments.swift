import ArgumentParser
import Recast
import RecastInference

/// What codes are chosen from.
struct CalibrationArguments: ParsableArguments {
    @Option(
        name: .customLong("calibration"),
        help: ArgumentHelp(
            "Calibrate on this text: .txt, or .jsonl with \"text\" or \"messages\" in each line. May be repeated, with a name "
                + "and a share of the tokens.", valueName: "[name[:share]=]file"))
    var texts: [String] = []

    @Option(
        help: ArgumentHelp("Calibrate on about so many tokens, evenly spread over the texts.", valueName: "n"))
    var calibrationTokens: Int?

    @Option(help: ArgumentHelp("Tokens that see each other in a calibration (512).", valueName: "n"))
    var calibrationContext: Int?

    @Option(
        help: ArgumentHelp(
            "How much a calibration tries after the error feedback: 0 nothing, up to 3 (2).", valueName: "n")
    )
    var effort: Int?

    @Option(
        help: ArgumentHelp("What is added to the diagonal of a Hessian, as a part of its mean (0.01).", valueName: "x"))
    var damping: Double?

    @Flag(
        help:
            "Put channels of feed-forward and value heads in the order of what they matter; the model computes the same, but its tensors are no longer the original's row by row."
    )
    var reorder = false

    @Option(
        help: ArgumentHelp(
            "Keep this part of the windows out of the calibration; a target size judges its candidates on them. By default "
                + "0.125 with a target size, else 0.", valueName: "part"))
    var holdOut: Double?

    var isAsked: Bool { !texts.isEmpty }

    /// What was asked for that only calibration heeds.
    private var given: [String] {
        let options: [(String, Bool)] = [
            ("--calibration-tokens", calibrationTokens != nil), ("--calibration-context", calibrationContext != nil),
            ("--effort", effort != nil), ("--damping", damping != nil), ("--hold-out", holdOut != nil),
        ]
        return options.filter(\.1).map(\.0)
    }

    private var tokenCount: Int { calibrationTokens ?? 131_072 }
    var context: Int { calibrationContext ?? 512 }
    private var chosenEffort: Int { effort ?? CalibrationOptions().effort }
    private var chosenDamping: Double { damping ?? 0.01 }

    func validate() throws {
        if texts.isEmpty, let option = given.first {
            throw ValidationError("\(option) is for a calibration: --calibration FILE names a text")
        }
        guard CalibrationOptions.efforts.contains(chosenEffort) else {
            throw ValidationError("--effort takes 0, 1, 2 or 3")
        }
        guard chosenDamping > 0, chosenDamping <= 1 else {
            throw ValidationError("--damping takes a number above 0, and up to 1")
        }
        guard tokenCount > 0 else { throw ValidationError("--calibration-tokens takes a positive number") }
        if let holdOut, !(0...0.5).contains(holdOut) {
            throw ValidationError("--hold-out takes a number from 0 to 0.5")
        }
        guard context > 2 else { throw ValidationError("--calibration-context takes a number from 3 on") }
    }

    /// The options that make the same codes of the same texts.
    func repeated(heldOut: Double) -> String {
        "--hold-out \(holdOut ?? heldOut) --calibration-tokens \(tokenCount) --calibration-context "
            + "\(context) --effort \(chosenEffort) --damping \(chosenDamping)" + (reorder ? " --reorder" : "")
            + " and the same --calibration"
    }

    func options(_ method: CalibrationOptions.Method) -> CalibrationOptions {
        var options = CalibrationOptions()
        options.method = method
        options.effort = chosenEffort
        options.damping = Float(chosenDamping)
        options.reorders = reorder
        return options
    }

    /// The texts, as the model's own tokenizer has them.
    ///
    /// - Parameter part: of the windows, that is not calibrated on.
    func selection(
        _ tokenizer: LoadedTokenizer, holdingOut part: Double
    ) throws -> (windows: CalibrationTexts.Selection, heldOut: [[Int32]], texts: [CalibrationRecord.Text]) {
        var hasShares = false
        var reader = TextReader(
            tokenizer.tokenizer, ModelChat(templates: ChatTemplates(tokenizer.vocabulary), path: tokenizer.path))
        reader.parsesSpecialInTexts = true
        var files: [String: (byteCount: Int, checksum: UInt32)] = [:]
        let channels = try texts.flatMap { argument -> [CalibrationTexts.Channel] in
            let named = NamedFile(argument)
            let parts = named.name.split(separator: ":", omittingEmptySubsequences: false)
            var (name, share) = (named.name, 1.0)
            if named.isNamed, parts.count == 2 {
                guard let number = Double(parts[1]), number > 0, number.isFinite else {
                    throw ValidationError("--calibration \(argument): \(parts[1]) is no share; a positive number is")
                }
                (name, share, hasShares) = (String(parts[0]), number, true)
            }
            let file = try TextFile(path: named.path)
            return try reader.channels(of: file, named: name).map { channel in
                files[channel.name] = (file.byteCount, file.checksum)
                return CalibrationTexts.Channel(
                    name: channel.name, weight: share,
                    // Each window gets the token before a text; a template that writes it has it already.
                    documents: channel.documents.map { document in
                        document.isWhole && document.tokens.first == tokenizer.bosToken
                            ? Array(document.tokens.dropFirst()) : document.tokens
                    })
            }
        }
        let (selection, heldOut) = try CalibrationTexts(channels).selection(
            context: context, bos: tokenizer.bosToken, limit: tokenCount, keepsShares: hasShares
        ).holdingOut(part)
        let texts = selection.channels.map { channel in
            CalibrationRecord.Text(
                name: channel.name, tokens: channel.used, byteCount: files[channel.name]!.byteCount,
                checksum: files[channel.name]!.checksum)
        }
        return (selection, heldOut, texts)
    }
}
