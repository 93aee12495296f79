import Commands

await Plasma.start(Array(CommandLine.arguments.dropFirst()))
