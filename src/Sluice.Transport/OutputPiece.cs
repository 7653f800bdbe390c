namespace Sluice.Transport;

/// <summary>A link in the chain of what a connection has to send. Disposed when it is sent or dropped.</summary>
internal abstract class OutputPiece : IDisposable
{
    /// <summary>What is to be sent after it.</summary>
    public OutputPiece? Next;

    public abstract void Dispose();
}
