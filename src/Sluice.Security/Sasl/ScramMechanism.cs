using Sluice.Base.Sasl;

namespace Sluice.Security.Sasl;

/// <summary>The hashes of SCRAM. The numbers are Kafka's on the wire, and persisted: values only grow.</summary>
public enum ScramMechanism
{
    /// <summary>SCRAM-SHA-256 (RFC 7677).</summary>
    Sha256 = 1,

    /// <summary>SCRAM-SHA-512.</summary>
    Sha512 = 2,
}

/// <summary>Names and algorithms of <see cref="ScramMechanism"/>.</summary>
public static class ScramMechanisms
{
    /// <summary>Every one.</summary>
    public static IReadOnlyList<ScramMechanism> All { get; } = [ScramMechanism.Sha256, ScramMechanism.Sha512];

    /// <summary>What SASL calls it.</summary>
    public static string Name(this ScramMechanism mechanism) => mechanism.Algorithm().Name;

    /// <summary>The one of a name of SASL; null if it is another.</summary>
    public static ScramMechanism? Find(string name) => All.Where(mechanism => mechanism.Name() == name).Select(static mechanism => (ScramMechanism?)mechanism).FirstOrDefault();

    internal static ScramAlgorithm Algorithm(this ScramMechanism mechanism) => mechanism == ScramMechanism.Sha256 ? ScramAlgorithm.Sha256 : ScramAlgorithm.Sha512;
}
