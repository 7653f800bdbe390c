using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>An answer that several partitions read from; its block goes back when the last is done.</summary>
internal sealed class AnswerShare(Answer<FetchResponse> answer)
{
    private int _shares = 1;

    public void Add() => Interlocked.Increment(ref _shares);

    public void Release()
    {
        if (Interlocked.Decrement(ref _shares) == 0)
        {
            answer.Dispose();
        }
    }
}
