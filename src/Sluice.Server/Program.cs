using System.CommandLine;
using Sluice.Commands;

// Without a limit of its own: `serve` handles signals itself and may take its time to end in good order.
return await SluiceCommand.RunAsync(args, new InvocationConfiguration { ProcessTerminationTimeout = null });
