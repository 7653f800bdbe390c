namespace Sluice.Commands.Client;

/// <summary>A verb that cannot do what was asked; the message says what to do.</summary>
internal sealed class CommandException(string message) : Exception(message);
