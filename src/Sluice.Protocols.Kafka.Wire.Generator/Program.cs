using Sluice.Protocols.Kafka.Wire.Generator;

// Run anywhere in the repository: writes the Generated folder of Sluice.Protocols.Kafka.Wire from its Schemas folder.
CodecSources? sources = CodecSources.Find(Environment.CurrentDirectory);
if (sources is null)
{
    Console.Error.WriteLine("run this in the repository");
    return 1;
}

sources.Write();
return 0;
