namespace Sluice.Client.Connections;

/// <summary>What a connection to a broker is for. Answers come in order, so that what waits for long has a connection of its own.</summary>
internal enum ConnectionPurpose
{
    Data,

    /// <summary>Requests to a coordinator of groups or transactions.</summary>
    Coordinator,
}
