namespace Sluice.Hosting.Configuration;

/// <summary>Says what a setting means and what it may be. The binder checks by it, and the page of settings is written from it.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SettingAttribute(string description) : Attribute
{
    /// <summary>One or two sentences for operators.</summary>
    public string Description { get; } = description;

    /// <summary>Of a number; empty: a plain number. "bytes" also takes KB, MB, GB and TB (powers of 1024).</summary>
    public string Unit { get; init; } = "";

    /// <summary>Smallest value of a number.</summary>
    public double Min { get; init; } = 0;

    /// <summary>Largest value of a number.</summary>
    public double Max { get; init; } = long.MaxValue;

    /// <summary>The value is a secret: never logged.</summary>
    public bool Secret { get; init; }
}
