using BenchmarkDotNet.Running;

// bench/Micro: single steps of a message's path. `dotnet run -c Release --project bench/Micro -- --filter '*Codec*'`; add `--job short` for a quick look.
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
