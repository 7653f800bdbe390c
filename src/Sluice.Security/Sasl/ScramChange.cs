namespace Sluice.Security.Sasl;

/// <param name="UserName">Whose.</param>
/// <param name="Mechanism">Which credential.</param>
/// <param name="Credential">What it is from now on; null: it is taken away.</param>
public readonly record struct ScramChange(string UserName, ScramMechanism Mechanism, ScramCredential? Credential);
