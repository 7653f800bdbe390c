namespace Sluice.Client.Connections;

/// <summary>What a connection to a broker is for. Answers come in order, so that what waits for long has a connection of its own.</summary>
internal enum ConnectionPurpose
{
    Data,

    /// <summary>Questions that are answered at once, and are not to wait behind a fetch.</summary>
    Query,

    /// <summary>Requests to a coordinator of groups or transactions.</summary>
    Coordinator,
}
