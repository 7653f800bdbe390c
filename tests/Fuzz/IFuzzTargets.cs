namespace Sluice.Fuzz;

/// <summary>All that reads the bytes of strangers in one protocol.</summary>
public interface IFuzzTargets : IDisposable
{
    /// <summary>Well-formed inputs from which mutations start.</summary>
    IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Runs one input. Its first two bytes choose the target and how it is run; the rest is what a stranger sends. A finding is thrown.</summary>
    Task RunAsync(byte[] input);
}
